def train(folder):
    import optuna
    from optuna_integration import WeightsAndBiasesCallback

    logged = WeightsAndBiasesCallback(metric_name="value", wandb_kwargs={"project": "other-project"})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, callbacks=[logged])
    return len(study.trials)
