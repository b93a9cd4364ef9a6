// Command pulumi-resource-aws serves the upstream AWS provider to Pulumi.
//
// It is the library behind the official plugin, bridged in the same way, for the types that this
// project uses; nothing of AWS's behaviour is imitated here. See ../../README.md for what differs
// from the official plugin.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/hashicorp/terraform-provider-aws/internal"
	"github.com/hashicorp/terraform-provider-aws/internal/provider/framework"
	"github.com/hashicorp/terraform-provider-aws/internal/provider/sdkv2"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// services lists what is served: for each upstream service its types, by their names upstream, with
// their names in the pulumi-aws package. What it does not name is not compiled.
//
//go:embed services.json
var services []byte

func main() {
	ctx := context.Background()
	info, err := bridged(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) == 2 && os.Args[1] == "schema" {
		err = printSchema(info, os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	pf.MainWithMuxer(ctx, "aws", info, schema)
}

func bridged(ctx context.Context) (tfbridge.ProviderInfo, error) {
	var head struct{ Version string }
	if err := json.Unmarshal(schema, &head); err != nil {
		return tfbridge.ProviderInfo{}, err
	}
	var served map[string]struct{ Resources, Functions map[string]string }
	if err := json.Unmarshal(services, &served); err != nil {
		return tfbridge.ProviderInfo{}, err
	}
	internal.RegisterSmarterrFS() // the texts of upstream's errors
	sdk, err := sdkv2.NewProvider(ctx)
	if err != nil {
		return tfbridge.ProviderInfo{}, err
	}
	plugin, err := framework.NewProvider(ctx, sdk)
	if err != nil {
		return tfbridge.ProviderInfo{}, err
	}
	shim := shimv2.NewProvider(sdk)
	info := tfbridge.ProviderInfo{
		P:           pf.MuxShimWithPF(ctx, shim, plugin),
		Name:        "aws",
		Version:     head.Version,
		Resources:   map[string]*tfbridge.ResourceInfo{},
		DataSources: map[string]*tfbridge.DataSourceInfo{},
		Config:      config,
	}
	// Upstream has two kinds of provider in one, and the bridge wants to know which serves a type.
	resourceKinds, functionKinds := map[string]int{}, map[string]int{}
	for _, service := range served {
		for upstream, name := range service.Resources {
			token := tokenOf(name)
			_, old := shim.ResourcesMap().GetOk(upstream)
			description, found := info.P.ResourcesMap().GetOk(upstream)
			if !found {
				return tfbridge.ProviderInfo{}, fmt.Errorf("upstream has no resource %s", upstream)
			}
			info.Resources[upstream] = resource(upstream, tokens.Type(token), description.Schema())
			resourceKinds[token] = kind(old)
		}
		for upstream, name := range service.Functions {
			token := tokenOf(name)
			if _, found := info.P.DataSourcesMap().GetOk(upstream); !found {
				return tfbridge.ProviderInfo{}, fmt.Errorf("upstream has no data source %s", upstream)
			}
			_, old := shim.DataSourcesMap().GetOk(upstream)
			info.DataSources[upstream] = &tfbridge.DataSourceInfo{Tok: tokens.ModuleMember(token)}
			functionKinds[token] = kind(old)
		}
	}
	mux, err := json.Marshal(map[string]any{
		"mux": map[string]any{"resources": resourceKinds, "functions": functionKinds},
	})
	if err != nil {
		return tfbridge.ProviderInfo{}, err
	}
	info.MetadataInfo = tfbridge.NewProviderMetadata(mux)
	return info, nil
}

// kind is the number of the provider that serves a type: the one on the old SDK, or the other.
func kind(old bool) int {
	if old {
		return 0
	}
	return 1
}

// tokenOf gives the Pulumi token of a name: of s3/Bucket, aws:s3/bucket:Bucket.
func tokenOf(name string) string {
	module, member, _ := strings.Cut(name, "/")
	return "aws:" + module + "/" + strings.ToLower(member[:1]) + member[1:] + ":" + member
}
