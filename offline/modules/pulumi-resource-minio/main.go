// Command pulumi-resource-minio serves the upstream MinIO provider to Pulumi.
//
// It is the library behind the official plugin, bridged in the same way; nothing of MinIO's
// behaviour is imitated here. See ../../README.md for what differs from the official plugin.
package main

import (
	_ "embed"
	"encoding/json"
	"log"

	"github.com/aminueza/terraform-provider-minio/v2/minio"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
)

// longestName is the limit that the pulumi-minio package knows for names that Pulumi makes up.
const longestName = 255

// schema describes the types of the pulumi-minio package, and says which version of it.
//
//go:embed schema.json
var schema []byte

func main() {
	version, err := schemaVersion()
	if err != nil {
		log.Fatalf("schema.json: %v", err)
	}
	tfbridge.Main("minio", version, bridged(version), schema)
}

func schemaVersion() (string, error) {
	var head struct{ Version string }
	err := json.Unmarshal(schema, &head)
	return head.Version, err
}

func bridged(version string) tfbridge.ProviderInfo {
	provider := tfbridge.ProviderInfo{
		P:       sdkv2.NewProvider(minio.Provider()),
		Name:    "minio",
		Version: version,
		Resources: map[string]*tfbridge.ResourceInfo{
			// Bytes do not fit the 32 bits of Pulumi's integers.
			"minio_s3_bucket": {Fields: map[string]*tfbridge.SchemaInfo{"quota": {Type: "number"}}},
		},
	}
	provider.MustComputeTokens(tokens.SingleModule("minio_", "index", tokens.MakeStandard("minio")))
	provider.SetAutonaming(longestName, "-")
	return provider
}
