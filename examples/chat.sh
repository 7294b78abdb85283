#!/bin/sh
# Send the chat completion on standard input to the gateway and print its reply.
# The token goes to curl by its standard configuration on a file descriptor, so that no list of processes shows it.
exec curl --silent --show-error --fail-with-body \
    --header "Content-Type: application/json" --header @/dev/fd/3 \
    --data-binary @- "$GATEWAY_URL/chat/completions" 3<<END
Authorization: Bearer $GATEWAY_TOKEN
END
