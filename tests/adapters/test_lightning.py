"""Lightning's Trainer on the loader: whole epochs, a stop in the middle of one, and the same batches after it."""

import lightning
import pytest
import torch
from adapter_data import epochs, labels, make
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.data import _update_dataloader

from dataload.adapters.torch import to_dataloader
from dataload.errors import ConfigError

FIRST, SECOND, THIRD = epochs(3)
WHOLE = labels(make(shuffle=False))

pytestmark = pytest.mark.filterwarnings("ignore")


class Diary(lightning.LightningModule):
    """Remembers the labels that it is trained and validated on."""

    def __init__(self, stop_after=None):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.seen, self.validated, self.predicted = [], [], []
        self.stop_after = stop_after

    def training_step(self, batch, index):
        self.seen.append(batch["label"].tolist())
        if self.stop_after == len(self.seen):
            raise KeyboardInterrupt
        return self.layer(batch["audio"]).square().mean()

    def validation_step(self, batch, index):
        self.validated.append(batch["label"].tolist())

    def predict_step(self, batch, index):
        return batch["label"].tolist()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


def trainer(folder, **options):
    return lightning.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"enable_checkpointing": False, **options},
    )


def test_overfitting_trains_on_the_same_batch_in_the_order_of_the_source(tmp_path, leaves_nothing):
    with make(num_workers=1, worker="thread") as loader:
        model = Diary()
        trainer(tmp_path, max_epochs=3, overfit_batches=1).fit(model, to_dataloader(loader))
        assert model.seen == WHOLE[:1] * 3


def test_a_limit_of_one_batch_an_epoch_takes_another_batch_in_each(tmp_path, leaves_nothing):
    with make() as loader:
        model = Diary()
        trainer(tmp_path, max_epochs=3, limit_train_batches=1).fit(model, to_dataloader(loader))
        assert model.seen == [FIRST[0], SECOND[0], THIRD[0]]


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "worker": "process"}])
def test_fit_trains_on_one_epoch_after_the_other(options, tmp_path, leaves_nothing):
    with make(**options) as loader:
        model = Diary()
        trainer(tmp_path, max_epochs=3).fit(model, to_dataloader(loader))
        assert model.seen == FIRST + SECOND + THIRD


def test_fit_with_validation_sees_whole_epochs_of_both(tmp_path):
    model = Diary()
    trainer(tmp_path, max_epochs=2).fit(model, to_dataloader(make()), to_dataloader(make(shuffle=False)))
    # The sanity check before training looks at two batches.
    assert model.seen == FIRST + SECOND and model.validated == WHOLE[:2] + WHOLE * 2


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_run_stopped_and_resumed_from_a_checkpoint_sees_the_same_batches(steps, num_workers, tmp_path):
    def dataloader():
        return to_dataloader(make(num_workers=num_workers, worker="thread"))

    save = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    first = Diary()
    trainer(tmp_path, max_epochs=3, max_steps=steps, callbacks=[save], enable_checkpointing=True).fit(
        first, dataloader()
    )
    assert first.seen == (FIRST + SECOND)[:steps]
    resumed = Diary()
    data = dataloader()
    trainer(tmp_path, max_epochs=3).fit(resumed, data, ckpt_path=tmp_path / f"step={steps}.ckpt")
    assert first.seen + resumed.seen == FIRST + SECOND + THIRD
    data.loader.close()


def test_checkpoints_at_the_end_of_epochs_resume_with_the_next(tmp_path):
    save = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    first = Diary()
    trainer(tmp_path, max_epochs=2, callbacks=[save], enable_checkpointing=True).fit(first, to_dataloader(make()))
    resumed = Diary()
    trainer(tmp_path, max_epochs=3).fit(resumed, to_dataloader(make()), ckpt_path=tmp_path / "epoch=0.ckpt")
    assert first.seen == FIRST + SECOND and resumed.seen == SECOND + THIRD


def test_limited_epochs_take_the_beginnings_of_the_epochs(tmp_path):
    model = Diary()
    trainer(tmp_path, max_epochs=3, limit_train_batches=1).fit(model, to_dataloader(make()))
    assert model.seen == FIRST[:1] + SECOND[:1] + THIRD[:1]


def test_predict_gives_every_sample_once(tmp_path):
    assert trainer(tmp_path).predict(Diary(), to_dataloader(make(shuffle=False))) == WHOLE


def test_a_distributed_sampler_is_refused_with_what_to_do():
    dataloader = to_dataloader(make())
    other = torch.utils.data.DistributedSampler(dataloader.dataset, num_replicas=2, rank=0)
    with pytest.raises(ConfigError, match=r"put a DistributedSampler .*shard='auto'"):
        _update_dataloader(dataloader, other)
