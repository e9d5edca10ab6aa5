"""The descriptors that Envoy's transcoder needs to answer plain HTTP with a gRPC call."""

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2

from lookalike.gateway.v1 import search_pb2


def descriptor_set() -> bytes:
    """A FileDescriptorSet of SearchService and all that it stands on, imports first; and of the
    details of errors, which the transcoder shows as JSON."""
    found: dict[str, bytes] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in found:
            for imported in file.dependencies:
                add(imported)
            found[file.name] = file.serialized_pb

    add(search_pb2.DESCRIPTOR)
    add(error_details_pb2.DESCRIPTOR)
    descriptors = FileDescriptorSet()
    for serialized in found.values():
        descriptors.file.add().ParseFromString(serialized)
    return descriptors.SerializeToString()
