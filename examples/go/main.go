// The story of an integration over gRPC: made, published to, delivered, listed, watched, refused a change, deleted.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	penstock "penstock.example/story/gen/penstock/v1"
)

func main() {
	// Over TLS: credentials.NewTLS of google.golang.org/grpc/credentials.
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	connection, err := grpc.NewClient(setting("PENSTOCK_ADDRESS", "127.0.0.1:9090"), plain)
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if token := os.Getenv("PENSTOCK_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	if err := story(ctx, connection); err != nil {
		log.Fatal(err)
	}
}

func story(ctx context.Context, connection *grpc.ClientConn) error {
	integrations := penstock.NewIntegrationServiceClient(connection)
	messages := penstock.NewMessageServiceClient(connection)

	created, err := integrations.CreateIntegration(ctx, &penstock.CreateIntegrationRequest{
		RequestId: uuid(), // the same request makes no second integration
		Integration: &penstock.Integration{
			Name:         "golang",
			Enabled:      true,
			TopicFilters: []string{"golang/#"},
			Configuration: &penstock.Integration_Http{Http: &penstock.HttpConfiguration{
				RestEndpointUrl:    setting("ENDPOINT", "http://127.0.0.1:9999/in"),
				PayloadContentType: penstock.PayloadContentType_PAYLOAD_CONTENT_TYPE_JSON,
			}},
		},
	})
	if err != nil {
		return err
	}
	id := created.Integration.Id
	fmt.Println("created", id)

	published, err := messages.PublishMessage(ctx, &penstock.PublishMessageRequest{
		TopicName: "golang/1",
		Payload:   []byte(`{"temperature": 25}`),
	})
	if err != nil {
		return err
	}
	fmt.Println("published for", published.MatchedIntegrations, "integration")

	for delivered := false; !delivered; time.Sleep(200 * time.Millisecond) {
		got, err := integrations.GetIntegration(ctx, &penstock.GetIntegrationRequest{Id: id})
		if err != nil {
			return err
		}
		delivered = got.Integration.GetStatus().GetLastDeliveredTime() != nil
	}
	fmt.Println("delivered")

	filter := &penstock.IntegrationFilter{Text: "golang"}
	page, err := integrations.ListIntegrations(ctx, &penstock.ListIntegrationsRequest{Filter: filter})
	if err != nil {
		return err
	}
	for _, integration := range page.Integrations {
		fmt.Println("listed", integration.Name)
	}

	if err := watch(ctx, integrations, id, filter); err != nil {
		return err
	}

	_, err = integrations.UpdateIntegration(ctx, &penstock.UpdateIntegrationRequest{
		Integration: &penstock.Integration{Id: id, TopicFilters: []string{"golang/#/1"}},
		UpdateMask:  &fieldmaskpb.FieldMask{Paths: []string{"topic_filters"}},
	})
	refusal := status.Convert(err)
	if refusal.Code() != codes.InvalidArgument {
		return errors.Join(err, errors.New("the change is not refused"))
	}
	for _, detail := range refusal.Details() {
		if wrong, is := detail.(*errdetails.BadRequest); is {
			for _, violation := range wrong.FieldViolations {
				fmt.Println("refused", violation.Field, violation.Description)
			}
		}
	}

	if _, err = integrations.DeleteIntegration(ctx, &penstock.DeleteIntegrationRequest{Id: id}); err != nil {
		return err
	}
	fmt.Println("deleted")
	return nil
}

// Sees the integration as it is first, then after each change. Returning ends the call.
func watch(
	ctx context.Context,
	integrations penstock.IntegrationServiceClient,
	id string,
	filter *penstock.IntegrationFilter,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, err := integrations.WatchIntegrations(ctx, &penstock.WatchIntegrationsRequest{Filter: filter})
	if err != nil {
		return err
	}
	for {
		change, err := changes.Recv()
		if err != nil {
			return err
		}
		if change.Integration.Id != id {
			continue
		}
		if !change.Integration.Enabled {
			fmt.Println("seen to be disabled")
			return nil
		}
		if _, err := integrations.DisableIntegration(ctx, &penstock.DisableIntegrationRequest{Id: id}); err != nil {
			return err
		}
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// A random UUID, RFC 9562 section 5.4.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
