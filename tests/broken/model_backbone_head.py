"""Its forward is more than its head after its backbone."""

from sound import model, parts

zoo_models = model(__name__)


def build(signature):
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone, self.head = parts(signature)

        def forward(self, x):
            return self.head(self.backbone(x)) + 1

    return Net()
