"""Tells Metaflow of the step decorator `wandb_log`. Metaflow imports this with itself: it imports nothing."""

STEP_DECORATORS_DESC = [("wandb_log", ".wandb_log.WandbLogDecorator")]
