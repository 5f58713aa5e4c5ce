"""What the cluster gets: templates with the console link's configuration, of tasks that still are what they were."""

import functools
import inspect
from collections import OrderedDict

import pytest
from flytekit import ImageSpec, PythonFunctionTask, Secret, dynamic, eager, map_task, task, workflow
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.core.cache import Cache
from flytekit.core.utils import ClassDecorator
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpecBuilder
from flytekit.interactive import vscode
from flytekit.tools.translator import get_serializable
from wandb_track_flyte import ArgumentError, wandb_init

SECRET = Secret(group="wandb", key="WANDB_API_KEY")
SETTINGS = SerializationSettings(
    ImageConfig(Image(name="default", fqn="registry.test/image", tag="v7")), "flytesnacks", "development", version="v7"
)
track = functools.partial(wandb_init, project="fraud", entity="my-team", secret=SECRET)
LINK = {"link_type": "wandb-execution-id", "project": "fraud", "entity": "my-team", "host": "https://wandb.ai"}


def config_of(entity):
    return get_serializable(OrderedDict(), SETTINGS, entity).template.config


class FunctionBody:
    """A cache policy of the usual kind: a version that follows from the function's source."""

    def get_version(self, salt, params):
        return salt + inspect.getsource(params.func)


@pytest.mark.parametrize("decorate", [task, dynamic, eager])
@pytest.mark.parametrize("order", ["above", "below"])
def test_templates_hold_what_console_links_need_in_both_orders(decorate, order):
    def train(x: int) -> int:
        return x

    async def train_async(x: int) -> int:
        return x

    function = train_async if decorate is eager else train
    tracked = track()(decorate(function)) if order == "above" else decorate(track()(function))
    assert config_of(tracked) == LINK


def test_a_given_id_and_host_are_in_the_template():
    @track(id="my-run", host="https://wandb.my-company.com/")
    @task
    def train(x: int) -> int:
        return x

    assert config_of(train) == {
        "link_type": "wandb-custom-id",
        "project": "fraud",
        "entity": "my-team",
        "host": "https://wandb.my-company.com",
        "id": "my-run",
    }


def test_a_map_task_has_its_link_where_the_decorator_is_above_task():
    @track()
    @task
    def above(x: int) -> int:
        return x

    @task
    @track()
    def below(x: int) -> int:
        return x

    assert config_of(map_task(above)) == LINK
    assert config_of(map_task(functools.partial(above))) == LINK
    assert config_of(map_task(below)) == {}


def test_a_workflow_is_compiled_with_the_tracked_task_under_its_own_name(load):
    flows = load("seed")
    entities = OrderedDict()
    spec = get_serializable(entities, SETTINGS, flows.training_workflow)
    (node,) = spec.template.nodes
    assert node.task_node.reference_id.name == "seed.train_model"
    assert flows.train_model.get_command(SETTINGS)[-4:] == ["task-module", "seed", "task-name", "train_model"]


def test_what_a_kind_of_task_has_in_its_configuration_stays():
    class PodTask(PythonFunctionTask):
        def get_config(self, settings):
            return {"primary_container_name": "main"}

    def train(x: int) -> int:
        return x

    tracked = track()(PodTask(task_config=None, task_function=train))
    assert config_of(tracked) == config_of(map_task(tracked)) == {"primary_container_name": "main", **LINK}


@pytest.mark.parametrize("order", ["above task", "below task"])
def test_another_decorator_with_links_below_ours_keeps_its_link_and_its_effect(order):
    """The platform takes a list of link types; flytekit asks only the outermost decorator."""

    def train(x: int) -> int:
        return x + 1

    inner = vscode(port=9000)(train)
    tracked = track(mode="disabled")(task(inner)) if order == "above task" else task(track(mode="disabled")(inner))
    assert config_of(tracked) == {**LINK, "link_type": "wandb-execution-id,vscode", "port": "9000"}
    assert tracked.task_function.task_function is inner
    assert tracked(x=1) == 2


@pytest.mark.parametrize("order", ["above task", "below task"])
def test_another_decorator_whose_link_needs_another_host_gets_no_link_that_leads_to_ours(order):
    """Comet's `host` and Neptune's `project` are the same keys as ours, of one map."""

    class Comet(ClassDecorator):
        def execute(self, *args, **kwargs):
            return self.task_function(*args, **kwargs)

        def get_extra_config(self):
            return {"link_type": "comet-ml-execution-id", "host": "https://www.comet.com", "workspace": "w"}

    def train(x: int) -> int:
        return x

    assert config_of(track()(task(Comet(train))) if order == "above task" else task(track()(Comet(train)))) == LINK


def test_another_class_decorator_above_ours_runs_ours():
    """`functools.wraps` copies the attributes of a decorated decorator: ours must not end up skipped by that."""

    class Repeat(ClassDecorator):
        def execute(self, *args, **kwargs):
            return [self.task_function(*args, **kwargs) for _ in range(2)][-1]

        def get_extra_config(self):
            return {"repeated": "2"}

    ran = []

    def train(x: int) -> int:
        from wandb_track_flyte import current_run

        ran.append(repr(current_run()))
        return x + 1

    tracked = task(Repeat()(track(mode="disabled")(train)))
    assert tracked(x=1) == 2
    assert ran == ["<QuietRun: this task is not tracked>"] * 2
    assert config_of(tracked) == {"repeated": "2"}


@pytest.mark.parametrize("order", ["above", "below"])
def test_a_tasks_names_documentation_types_and_source_are_those_of_its_function(order):
    def train(epochs: int, rate: float = 0.5) -> dict[str, float]:
        """Train a model.

        Args:
            epochs: How often.
            rate: How fast.
        """
        return {"rate": rate * epochs}

    tracked = track()(task(train)) if order == "above" else task(track()(train))
    plain = task(train)
    assert tracked.name == plain.name
    assert tracked.__doc__ == train.__doc__
    assert tracked.__name__ == "train"
    assert tracked.python_interface.inputs == {"epochs": int, "rate": float}
    assert tracked.python_interface.outputs == {"o0": dict[str, float]}
    assert tracked.interface.inputs["epochs"].description == "How often."
    assert inspect.signature(tracked.task_function) == inspect.signature(train)
    assert inspect.getsource(tracked.task_function) == inspect.getsource(train)
    assert not inspect.iscoroutinefunction(tracked.task_function)


def test_the_version_of_a_cached_task_follows_from_the_users_function():
    def train(x: int) -> int:
        return x

    plain = task(train, cache=Cache(policies=FunctionBody()))
    tracked = task(track()(train), cache=Cache(policies=FunctionBody()))
    assert tracked.metadata.cache_version == plain.metadata.cache_version


def test_an_image_specification_reaches_the_container():
    class BuiltAlready(ImageSpecBuilder):
        def should_build(self, image_spec):
            return False

    ImageBuildEngine.register("built-already", BuiltAlready(), priority=1)
    image = ImageSpec(name="trainer", registry="registry.test", packages=["scikit-learn"], builder="built-already")

    @track()
    @task(container_image=image)
    def train(x: int) -> int:
        return x

    template = get_serializable(OrderedDict(), SETTINGS, train).template
    assert template.container.image == image.image_name()
    assert template.container.image.startswith("registry.test/trainer:")
    assert template.config == LINK


def test_reference_and_other_tasks_without_a_function_are_refused():
    from flytekit import reference_task

    @reference_task(project="p", domain="d", name="n", version="v")
    def elsewhere(x: int) -> int:
        return x

    with pytest.raises(ArgumentError, match="a task that runs a Python function"):
        track()(elsewhere)


def test_a_workflow_of_tracked_tasks_compiles_without_asking_for_a_key():
    def ask():
        raise AssertionError("asked while compiling")

    @wandb_init(project="p", entity="e", secret=ask)
    @task
    def train(x: int) -> int:
        return x

    @workflow
    def training(x: int) -> int:
        return train(x=x)

    assert len(get_serializable(OrderedDict(), SETTINGS, training).template.nodes) == 1
