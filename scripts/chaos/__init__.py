"""`make chaos`: breaks the bridge in every way we could think of, and looks whether every burn still ends well."""
