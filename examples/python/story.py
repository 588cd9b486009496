"""The story of an integration over gRPC: made, published to, delivered, listed, watched, refused a change, deleted."""

import os
import time
import uuid

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from penstock.v1 import (
    http_pb2,
    integration_pb2,
    integration_service_pb2,
    integration_service_pb2_grpc,
    message_service_pb2,
    message_service_pb2_grpc,
    payload_pb2,
)

ADDRESS = os.environ.get("PENSTOCK_ADDRESS", "127.0.0.1:9090")
TOKEN = os.environ.get("PENSTOCK_TOKEN")
ENDPOINT = os.environ.get("ENDPOINT", "http://127.0.0.1:9999/in")

# What goes along with each call. Over TLS: grpc.secure_channel(ADDRESS, grpc.ssl_channel_credentials(ca)).
metadata = [("authorization", f"Bearer {TOKEN}")] if TOKEN else []
call = {"metadata": metadata, "timeout": 30}

with grpc.insecure_channel(ADDRESS) as channel:
    integrations = integration_service_pb2_grpc.IntegrationServiceStub(channel)
    messages = message_service_pb2_grpc.MessageServiceStub(channel)

    integration = integration_pb2.Integration(
        name="python",
        enabled=True,
        topic_filters=["python/#"],
        http=http_pb2.HttpConfiguration(
            rest_endpoint_url=ENDPOINT,
            payload_content_type=payload_pb2.PAYLOAD_CONTENT_TYPE_JSON,
        ),
    )
    created = integrations.CreateIntegration(
        integration_service_pb2.CreateIntegrationRequest(
            integration=integration,
            request_id=str(uuid.uuid4()),  # the same request makes no second integration
        ),
        **call,
    ).integration
    print("created", created.id)

    published = messages.PublishMessage(
        message_service_pb2.PublishMessageRequest(topic_name="python/1", payload=b'{"temperature": 25}'),
        **call,
    )
    print("published for", published.matched_integrations, "integration")

    get = integration_service_pb2.GetIntegrationRequest(id=created.id)
    end = time.monotonic() + 60
    while not integrations.GetIntegration(get, **call).integration.status.HasField("last_delivered_time"):
        if time.monotonic() > end:
            raise TimeoutError("it is not delivered")
        time.sleep(0.2)
    print("delivered")

    of_python = integration_service_pb2.IntegrationFilter(text="python")
    page = integrations.ListIntegrations(
        integration_service_pb2.ListIntegrationsRequest(filter=of_python), **call
    )
    print("listed", ",".join(each.name for each in page.integrations))

    # First as it is, then after each change.
    watch = integrations.WatchIntegrations(
        integration_service_pb2.WatchIntegrationsRequest(filter=of_python), metadata=metadata, timeout=60
    )
    for change in watch:
        if change.integration.id != created.id:
            continue
        if not change.integration.enabled:
            break
        integrations.DisableIntegration(
            integration_service_pb2.DisableIntegrationRequest(id=created.id), **call
        )
    watch.cancel()
    print("seen to be disabled")

    update = integration_service_pb2.UpdateIntegrationRequest(
        integration=integration_pb2.Integration(id=created.id, topic_filters=["python/#/1"])
    )
    update.update_mask.paths.append("topic_filters")
    try:
        integrations.UpdateIntegration(update, **call)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
            raise
        for detail in rpc_status.from_call(error).details:
            bad_request = error_details_pb2.BadRequest()
            if detail.Unpack(bad_request):
                for violation in bad_request.field_violations:
                    print("refused", violation.field, violation.description)

    integrations.DeleteIntegration(
        integration_service_pb2.DeleteIntegrationRequest(id=created.id), **call
    )
    print("deleted")
