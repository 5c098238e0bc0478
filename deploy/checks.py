"""What `deploy/validate` does in Python: manifests against their schemas, small inputs, stores that must be the same."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml


def without_nulls(value: Any) -> Any:
    """Mappings without the keys that are set to nothing, which Kubernetes drops too."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def dask_cluster_schema() -> dict[str, Any] | None:
    """Schema of a DaskCluster in the installed dask-kubernetes; None without it."""
    found = importlib.util.find_spec("dask_kubernetes")
    if found is None or found.origin is None:
        return None
    (path,) = Path(found.origin).parent.glob("operator/deployment/helm/*/crds/daskcluster.yaml")
    (version,) = yaml.safe_load(path.read_text())["spec"]["versions"]
    return closed(version["schema"]["openAPIV3Schema"])


def closed(schema: Any) -> Any:
    """The schema with unknown keys refused, which Kubernetes would only drop; what every object has is let in."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(item) for key, item in schema.items()}
    if isinstance(found.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in found:
        found.setdefault("additionalProperties", False)
    return found


def manifests(path: str) -> None:
    """Check every document of a file of manifests, strictly: unknown keys are errors."""
    import jsonschema
    import kubernetes_validate

    for document in filter(None, yaml.safe_load_all(Path(path).read_text())):
        name = f"{document['kind']}/{document['metadata']['name']}"
        if document["apiVersion"] != "kubernetes.dask.org/v1":
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        elif (schema := dask_cluster_schema()) is None:
            print(f"{name}: not checked (pip install dask-kubernetes)")
            continue
        else:
            own = {"apiVersion": {}, "kind": {}, "metadata": {}}
            schema["properties"] = {**schema["properties"], **own}
            jsonschema.validate(without_nulls(document), schema)
        print(f"{name}: ok")


def files(folder: str) -> None:
    """Interferograms of a simulated stack."""
    from insarray.simulate.stacks import simulate_stack, write_geotiffs

    stack, _ = simulate_stack(shape=(200, 260), n_dates=20, neighbours=3, looks=20, seed=3)
    write_geotiffs(stack, Path(folder))


def same(first: str, second: str) -> None:
    """Fail unless two stores hold the same bits."""
    import xarray as xr

    one, two = xr.open_zarr(first), xr.open_zarr(second)
    if set(one.variables) != set(two.variables):
        sys.exit(f"{first} and {second} hold different variables")
    for name in one.variables:
        if np.asarray(one[name]).tobytes() != np.asarray(two[name]).tobytes():
            sys.exit(f"{name}: differs between {first} and {second}")
    print(f"{second}: {len(one.variables)} variables have the same bits as {first}")


if __name__ == "__main__":
    {"manifests": manifests, "files": files, "same": same}[sys.argv[1]](*sys.argv[2:])
