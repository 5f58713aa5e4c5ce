def train(folder):
    import wandb
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score

    model = RandomForestClassifier(n_estimators=10, n_jobs=2, random_state=0)
    scores = cross_val_score(model, *load_iris(return_X_y=True), cv=3, n_jobs=2)  # in other processes
    for score in scores:
        wandb.log({"score": score})
    return scores.mean()
