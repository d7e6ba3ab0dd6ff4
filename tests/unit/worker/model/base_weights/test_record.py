"""What checkpoints, manifests and reports say of base weights."""

from training.model.base_weights.record import BaseWeights, in_report

BASE = BaseWeights(uri="s3://b/base.pth", filled=1862, of=1872, has_statistics=True)


def test_a_checkpoint_gives_back_what_it_was_given() -> None:
    assert BaseWeights(**BASE.in_checkpoint()) == BASE


def test_a_manifest_says_where_they_came_from_and_how_much_they_filled() -> None:
    assert BASE.in_manifest() == {"uri": "s3://b/base.pth", "filled": 1862, "of": 1872}


def test_a_report_says_in_a_sentence_what_the_training_began_with() -> None:
    assert in_report(BASE) == {
        "loaded": True,
        "message": "The training began with s3://b/base.pth, which fills 1,862 of 1,872 tensors of the network.",
    }
    assert in_report(None)["loaded"] is False
    assert "random weights" in in_report(None)["message"]
    assert "loadFrom" in in_report(None)["message"]
