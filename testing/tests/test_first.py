import wandb


def test_a_run_arrives(wandb_online):
    """History, config and exit code reach the server."""
    with wandb.init(project="p", config={"lr": 1}) as run:
        run.log({"loss": 1})
    assert wandb_online.run.values("loss") == [1]
    assert wandb_online.run.config == {"lr": 1}
    assert wandb_online.run.state == "finished"
