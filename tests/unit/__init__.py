"""Pure functions, and the component under Pulumi's mocks. Seconds in all."""
