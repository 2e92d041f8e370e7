"""What a ModelDeployment is made of in Kubernetes besides its router: pods of revisions, the judge's pod. Pure builders."""
