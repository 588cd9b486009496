#!/usr/bin/env bash
# The story of an integration with curl, as JSON over HTTP.
set -euo pipefail

url=${PENSTOCK_URL:-http://127.0.0.1:8080}
endpoint=${ENDPOINT:-http://127.0.0.1:9999/in}
headers=(${PENSTOCK_TOKEN:+-H "authorization: Bearer $PENSTOCK_TOKEN"})

# call SERVICE/METHOD REQUEST
call() {
  curl -sS --max-time 30 "${headers[@]}" -H 'content-type: application/json' -d "$2" "$url/penstock.v1.$1"
}
# until_has TEXT COMMAND…: runs it until it prints the text
until_has() {
  for _ in $(seq 300); do
    if "${@:2}" | grep -qa "$1"; then return; fi
    sleep 0.2
  done
  echo "not within a minute: $1" >&2
  return 1
}

integrations=IntegrationService
created=$(call $integrations/CreateIntegration '{"integration": {"name": "by curl", "enabled": true,
  "topic_filters": ["curl/#"],
  "http": {"rest_endpoint_url": "'"$endpoint"'", "payload_content_type": "PAYLOAD_CONTENT_TYPE_JSON"}}}')
id=$(sed -n 's/.*"integration":{"id":"\([^"]*\)".*/\1/p' <<<"$created")
echo "created $id"

payload=$(printf '{"temperature": 25}' | base64)
echo "published $(call MessageService/PublishMessage '{"topic_name": "curl/1", "payload": "'"$payload"'"}')"

until_has lastDeliveredTime call $integrations/GetIntegration '{"id": "'"$id"'"}'
echo "delivered"

echo "listed $(call $integrations/ListIntegrations '{"filter": {"text": "by curl"}}' | grep -o '"name":"[^"]*"')"

# A stream's messages, the request too, come after a byte of flags and four of their length.
changes=$(mktemp)
printf '\0\0\0\0\2{}' |
  curl -sSN --max-time 60 "${headers[@]}" -H 'content-type: application/connect+json' --data-binary @- \
    "$url/penstock.v1.IntegrationService/WatchIntegrations" >"$changes" &
trap 'kill $! 2>/dev/null; rm "$changes"' EXIT
until_has "$id" cat "$changes"
call $integrations/DisableIntegration '{"id": "'"$id"'"}' >/dev/null
until_has "$id.*INTEGRATION_STATE_DISABLED" cat "$changes"
echo "seen to be disabled"

refused=$(call $integrations/UpdateIntegration '{"integration": {"id": "'"$id"'", "topic_filters": ["curl/#/1"]},
  "update_mask": "topicFilters"}')
echo "refused $refused"

call $integrations/DeleteIntegration '{"id": "'"$id"'"}' >/dev/null
echo "deleted"
