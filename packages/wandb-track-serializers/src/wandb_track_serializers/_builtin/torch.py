"""torch's modules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wandb_track_serializers._kinds import class_name, is_a
from wandb_track_serializers._serializer import Serializer, Source, Target
from wandb_track_serializers.errors import IntegrityError, UnsupportedValueError

from .pickles import Pickle

if TYPE_CHECKING:
    import torch

_WRAPPERS = {
    "torch._dynamo.eval_frame": ("OptimizedModule", "_orig_mod"),
    "torch.nn.parallel.distributed": ("DistributedDataParallel", "module"),
    "torch.nn.parallel.data_parallel": ("DataParallel", "module"),
}
_ALIASES = "wandb_track_aliases"


class TorchModule(Pickle):
    """torch.save of the module. A compiled or data-parallel one is stored as the module that it wraps."""

    id = "torch.module"
    types = ("torch.nn:Module",)
    kind = "model"
    version = 1
    libraries = ("torch",)
    install = "wandb-track-serializers[torch]"
    advice = (
        "it must hold neither local functions nor parametrizations, nor be a scripted module, or hold one:"
        ' format="safetensors" stores the state dict of a module that is no part of another value;'
        " torch.jit.save makes a file to log as a Path"
    )

    def write(self, value: Any, target: Target) -> None:
        """Write to ``{name}.pkl``."""
        super().write(_unwrapped(value, target), target)


class TorchState(Serializer):
    """The module's state dict in the safetensors format, which holds no code. Comes back as a dict of tensors."""

    id = "torch.safetensors"
    types = TorchModule.types
    kind = "model"
    format = "safetensors"
    on_request = True
    safe = True
    libraries = ("torch", "safetensors")
    install = "wandb-track-serializers[safetensors]"

    def write(self, value: Any, target: Target) -> None:
        """Write to ``{name}.safetensors``; tensors that share memory are written once."""
        from safetensors.torch import save_file

        module = _unwrapped(value, target)
        tensors: dict[str, torch.Tensor] = {}
        aliases: dict[str, str] = {}
        first: dict[Any, str] = {}
        storages: set[int] = set()
        for key, tensor in module.state_dict().items():
            dense = is_a(tensor, "torch", "Tensor") and str(tensor.layout) == "torch.strided"
            if not dense:
                reason = f"it is a {getattr(tensor, 'layout', class_name(tensor))}, and safetensors holds dense tensors"
                place = f"{target.name}.state_dict()[{key!r}]"
                raise UnsupportedValueError(target.name, class_name(value), f"{reason} alone: leave format= out", place)
            memory = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
            original = first.setdefault(memory, key) if tensor.numel() else key
            if original != key:
                aliases[key] = original
                continue
            own = tensor.detach().contiguous()
            if own.untyped_storage().data_ptr() in storages:  # safetensors takes no two views of one memory
                own = own.clone()
            storages.add(own.untyped_storage().data_ptr())
            tensors[key] = own
        target.check(sum(tensor.nbytes for tensor in tensors.values()))
        save_file(tensors, target.path(".safetensors"), metadata={_ALIASES: json.dumps(aliases)})

    def read(self, source: Source) -> dict[str, Any]:
        """Read the tensors, onto the CPU."""
        from safetensors import SafetensorError, safe_open

        source.check(source.manifest.size)
        try:
            with safe_open(source.path, framework="pt", device="cpu") as file:
                tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 (it is no dict)
                aliases = json.loads((file.metadata() or {}).get(_ALIASES, "{}"))
        except SafetensorError as error:
            raise IntegrityError(f"{source.manifest.name!r} is no whole safetensors file: {error}") from error
        for alias, original in aliases.items():
            tensors[alias] = tensors[original]
        return tensors


def _unwrapped(module: Any, target: Target) -> Any:
    """The module inside of those that compile it or spread it over devices."""
    if is_a(module, "torch.distributed.fsdp", "FullyShardedDataParallel"):
        reason = "each process holds only a part of it: gather its full state dict, and use that"
        raise UnsupportedValueError(target.name, class_name(module), reason)
    for home, (name, attribute) in _WRAPPERS.items():
        if is_a(module, home, name):
            target.notes.append(f"stored without the {name} around it")
            return _unwrapped(getattr(module, attribute), target)
    return module
