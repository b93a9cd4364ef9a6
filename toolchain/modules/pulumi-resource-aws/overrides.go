package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// config is where the pulumi-aws package has another opinion of the provider's own settings.
var config = map[string]*tfbridge.SchemaInfo{
	"skip_metadata_api_check": {Type: "boolean"},
}

// resource describes a type as the pulumi-aws package does.
func resource(upstream string, token tokens.Type) *tfbridge.ResourceInfo {
	return &tfbridge.ResourceInfo{Tok: token}
}
