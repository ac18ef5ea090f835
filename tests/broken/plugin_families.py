"""Its family lists a member that it cannot resolve."""

from zoo_core import ModelFamily, UnknownNameError, hookimpl


@hookimpl
def zoo_models():
    return [ModelFamily(prefix="many/", title="Many", entry=f"{__name__}:Many")]


class Many:
    @staticmethod
    def list(pattern):
        return ["many/one"]

    @staticmethod
    def resolve(name):
        raise UnknownNameError("model", name, [])
