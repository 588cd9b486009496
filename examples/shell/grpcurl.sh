#!/usr/bin/env bash
# The story of an integration with grpcurl, which learns the API from the server itself.
set -euo pipefail

address=${PENSTOCK_ADDRESS:-127.0.0.1:9090}
endpoint=${ENDPOINT:-http://127.0.0.1:9999/in}
headers=(${PENSTOCK_TOKEN:+-H "authorization: Bearer $PENSTOCK_TOKEN"})

# call SERVICE/METHOD REQUEST
call() { grpcurl -plaintext -max-time 30 "${headers[@]}" -d "$2" "$address" "penstock.v1.$1"; }
# until_has TEXT COMMAND…: runs it until it prints the text
until_has() {
  for _ in $(seq 300); do
    if "${@:2}" | grep -q "$1"; then return; fi
    sleep 0.2
  done
  echo "not within a minute: $1" >&2
  return 1
}

integrations=IntegrationService
created=$(call $integrations/CreateIntegration '{"integration": {"name": "by grpcurl", "enabled": true,
  "topic_filters": ["grpcurl/#"],
  "http": {"rest_endpoint_url": "'"$endpoint"'", "payload_content_type": "PAYLOAD_CONTENT_TYPE_JSON"}}}')
id=$(sed -n 's/.*"id": "\([^"]*\)".*/\1/p' <<<"$created" | head -n 1)
echo "created $id"

payload=$(printf '{"temperature": 25}' | base64)
published=$(call MessageService/PublishMessage '{"topic_name": "grpcurl/1", "payload": "'"$payload"'"}')
echo "published $published"

until_has lastDeliveredTime call $integrations/GetIntegration '{"id": "'"$id"'"}'
echo "delivered"

echo "listed $(call $integrations/ListIntegrations '{"filter": {"text": "by grpcurl"}}' | grep '"name"')"

changes=$(mktemp)
grpcurl -plaintext -max-time 60 "${headers[@]}" -d '{"filter": {"text": "by grpcurl"}}' \
  "$address" penstock.v1.IntegrationService/WatchIntegrations >"$changes" &
trap 'kill $! 2>/dev/null; rm "$changes"' EXIT
until_has "$id" cat "$changes"
call $integrations/DisableIntegration '{"id": "'"$id"'"}' >/dev/null
until_has INTEGRATION_STATE_DISABLED cat "$changes"
echo "seen to be disabled"

echo "refused"
call $integrations/UpdateIntegration '{"integration": {"id": "'"$id"'", "topic_filters": ["grpcurl/#/1"]},
  "update_mask": {"paths": ["topic_filters"]}}' 2>&1 || [ $? = 67 ] # 64 + INVALID_ARGUMENT

call $integrations/DeleteIntegration '{"id": "'"$id"'"}' >/dev/null
echo "deleted"
