def train(folder):
    import wandb
    from stable_baselines3 import PPO
    from wandb.integration.sb3 import WandbCallback

    run = wandb.init(project="other-project", sync_tensorboard=True)
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, n_epochs=1, tensorboard_log=folder)
    model.learn(64, callback=WandbCallback(gradient_save_freq=1, model_save_path=f"models/{run.id}"))
    run.finish()
    return model.num_timesteps
