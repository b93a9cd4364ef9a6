package main

import (
	_ "embed"
	"encoding/json"
	"io"
	"os"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
)

// schema says which version of the pulumi-aws package this serves. No program asks for more: the
// whole is what `pulumi-resource-aws schema` prints, for the test that compares it with the package.
//
//go:embed schema.json
var schema []byte

// printSchema describes the types as the bridge sees them.
func printSchema(info tfbridge.ProviderInfo, out io.Writer) error {
	// Most of upstream is not served, and that is no mistake.
	if err := os.Setenv("PULUMI_SKIP_MISSING_MAPPING_ERROR", "true"); err != nil {
		return err
	}
	info.UpstreamRepoPath = os.TempDir() // where no prose is
	sink := diag.DefaultSink(io.Discard, io.Discard, diag.FormatOptions{Color: colors.Never})
	spec, err := tfgen.GenerateSchema(info, sink)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(spec)
}
