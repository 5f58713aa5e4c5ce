def train(folder):
    import xgboost
    from sklearn.datasets import load_breast_cancer
    from wandb.integration.xgboost import WandbCallback

    data = xgboost.DMatrix(*load_breast_cancer(return_X_y=True))
    options = {"objective": "binary:logistic", "nthread": 1}
    booster = xgboost.train(
        options, data, num_boost_round=5, evals=[(data, "train")], callbacks=[WandbCallback(log_model=True)]
    )
    return booster.num_boosted_rounds()
