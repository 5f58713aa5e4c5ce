"""Each step gets its API key in another way; none of them may be found anywhere afterwards."""

import os
from pathlib import Path

import wandb
from metaflow import Config, FlowSpec, config_expr, environment, secrets, step
from wandb_track_metaflow import current_run, wandb_log


def read_key():
    """Read the key where the task runs."""
    return Path(os.environ["KEY_FILE"]).read_text()


class Keys(FlowSpec):
    settings = Config("settings", default_value={"wandb": {"project": "keys"}})

    @wandb_log(project=config_expr("settings.wandb.project"), api_key=read_key)
    @step
    def start(self):
        self.next(self.by_settings)

    @wandb_log(settings=wandb.Settings(api_key=os.environ.get("SETTINGS_KEY"), project="keys"))
    @step
    def by_settings(self):
        self.next(self.by_secret)

    # Below and above us: what these decorators set is there in time, in either order.
    @wandb_log(project="keys", secret="SECRET_KEY")
    @secrets(sources=[{"type": "inline", "id": "team", "options": {"env_vars": {"SECRET_KEY": "s" * 40}}}])
    @step
    def by_secret(self):
        self.next(self.by_environment)

    @environment(vars={"ENVIRONMENT_KEY": "e" * 40})
    @wandb_log(project="keys", secret="ENVIRONMENT_KEY")
    @step
    def by_environment(self):
        self.next(self.without)

    @wandb_log(project="keys", secret="NO_SUCH_KEY", mode=os.environ.get("LAST_MODE", "online"))
    @step
    def without(self):
        print("user code has run", bool(current_run()))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Keys()
