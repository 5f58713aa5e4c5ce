"""A stand-in W&B server that speaks the wire protocol to the real client."""

from ._faults import NO_SUCH_HOST, Fault, Request, answering, black_hole, refused, tls_garbage
from ._model import Artifact, Collection, Manifest, Run, StoredFile, Use
from ._server import VALID_KEY, StandIn

__all__ = [
    "NO_SUCH_HOST",
    "VALID_KEY",
    "Artifact",
    "Collection",
    "Fault",
    "Manifest",
    "Request",
    "Run",
    "StandIn",
    "StoredFile",
    "Use",
    "answering",
    "black_hole",
    "refused",
    "tls_garbage",
]
