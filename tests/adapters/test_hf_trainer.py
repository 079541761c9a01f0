"""The Trainer of Hugging Face on the loader, through get_train_dataloader: whole epochs, and resumed ones."""

from functools import partial

import pytest
import torch
from adapter_data import Shake, clip, epochs
from transformers import Trainer, TrainingArguments

from dataload import Loader, pad
from dataload.adapters.torch import to_dataloader

FIRST, SECOND, THIRD = epochs(3)
# The Trainer takes named tuples for tuples, so no others than these fields.
SAMPLES = [{"audio": clip(i)["audio"], "label": i} for i in range(20)]

pytestmark = pytest.mark.filterwarnings("ignore")


class Diary(torch.nn.Module):
    """Remembers the labels that it is trained on."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.seen = []

    def forward(self, audio, label, **rest):
        self.seen.append(label.tolist())
        return {"loss": self.layer(audio).square().mean()}


class Mine(Trainer):
    def __init__(self, loader, *args, **options):
        super().__init__(*args, **options)
        self.loader = loader

    def get_train_dataloader(self):
        return to_dataloader(self.loader, device=self.args.device)


def train(folder, steps=-1, resume=None, **options):
    model = Diary()
    arguments = TrainingArguments(
        folder,
        num_train_epochs=3,
        max_steps=steps,
        save_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        remove_unused_columns=False,
        logging_strategy="no",
        **options,
    )
    collate = partial(pad, fields=["audio"])
    options = {"batch_size": 6, "shuffle": True, "seed": 5, "num_workers": 2, "worker": "thread"}
    with Loader(SAMPLES, transforms={"audio": Shake()}, collate_fn=collate, **options) as loader:
        Mine(loader, model, arguments).train(resume_from_checkpoint=resume)
    return model.seen


def test_it_trains_on_one_epoch_after_the_other(tmp_path, leaves_nothing):
    assert train(str(tmp_path)) == FIRST + SECOND + THIRD


@pytest.mark.parametrize("steps", [1, 3, 4, 6])
def test_a_run_resumed_from_a_checkpoint_sees_the_same_batches(steps, tmp_path):
    seen = train(str(tmp_path / "a"), steps)
    assert seen == (FIRST + SECOND)[:steps]
    rest = train(str(tmp_path / "b"), resume=str(tmp_path / "a" / f"checkpoint-{steps}"))
    assert seen + rest == FIRST + SECOND + THIRD


def test_accumulated_gradients_see_every_batch(tmp_path):
    assert train(str(tmp_path), gradient_accumulation_steps=2) == FIRST + SECOND + THIRD
