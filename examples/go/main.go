// Command team-cache-go declares a Nix binary cache on a MinIO server.
package main

import (
	"example.com/pulumi-nix-cache/sdk/go/nixcache"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		settings := config.New(ctx, "")
		laptop := nixcache.WriterArgs{Name: "laptop"}
		if key, err := settings.TrySecret("laptopKey"); err == nil {
			laptop.SigningKey = key.ToStringPtrOutput()
		}
		cache, err := nixcache.NewBinaryCache(ctx, "cache", &nixcache.BinaryCacheArgs{
			Domain:  "cache.example.org",
			Public:  pulumi.BoolRef(true),
			Protect: pulumi.BoolRef(settings.RequireBool("protect")),
			Writers: []nixcache.WriterArgs{{Name: "ci-runner"}, laptop},
			Minio:   &nixcache.MinioArgs{Endpoint: pulumi.String(settings.Require("endpoint"))},
		})
		if err != nil {
			return err
		}
		ctx.Export("manifest", cache.Manifest)
		ctx.Export("readUrl", cache.ReadUrl)
		ctx.Export("credentials", cache.Credentials)
		ctx.Export("signingKeys", cache.SigningKeys)
		return nil
	})
}
