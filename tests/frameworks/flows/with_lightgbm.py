def train(folder):
    import lightgbm
    from sklearn.datasets import load_breast_cancer
    from wandb.integration.lightgbm import log_summary, wandb_callback

    data = lightgbm.Dataset(*load_breast_cancer(return_X_y=True))
    options = {"objective": "binary", "metric": "auc", "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(options, data, 3, valid_sets=[data], callbacks=[wandb_callback()])
    log_summary(booster, save_model_checkpoint=True)
    return booster.current_iteration()
