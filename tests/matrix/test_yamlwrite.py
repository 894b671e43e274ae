from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from matrix.recipe import Recipe, RecipeLayout
from matrix.serving import Pool, Serving, Speculation
from matrix.yamlfile import parse_yaml, reads_as_text
from matrix.yamlwrite import to_yaml

RECIPE = Recipe(
    model="m",
    gpu="g",
    engine="e",
    precision="fp8",
    image="reg.io/e:1.10",
    serving=Serving(speculation=Speculation(method="mtp")),
    flags={"b": True, "a": "0.10"},
    layouts=(
        RecipeLayout(name="tp8", tp=8, points={"1k1k": (4, 16)}),
        RecipeLayout(name="2p1d", prefill=Pool(workers=2, tp=4), decode=Pool(tp=8), points={"8k1k": (64,)}),
    ),
    source="a test: with a colon",
)


def test_a_recipe_is_boring_yaml_that_reads_back_as_itself() -> None:
    text = to_yaml({"r": RECIPE}, "why it is here")
    assert text == (
        "# why it is here\n"
        "r:\n"
        "  model: m\n"
        "  gpu: g\n"
        "  engine: e\n"
        "  precision: fp8\n"
        "  image: reg.io/e:1.10\n"
        "  serving:\n"
        "    speculation: {method: mtp}\n"
        "  flags:\n"
        '    a: "0.10"\n'
        "    b: true\n"
        "  layouts:\n"
        "    - name: tp8\n"
        "      tp: 8\n"
        "      points:\n"
        "        1k1k: [4, 16]\n"
        "    - name: 2p1d\n"
        "      prefill: {tp: 4, workers: 2}\n"
        "      decode: {tp: 8}\n"
        "      points:\n"
        "        8k1k: [64]\n"
        "  source: 'a test: with a colon'\n"
    )
    read = parse_yaml(text.encode(), "r.yaml").value
    assert isinstance(read, dict)
    assert msgspec.convert(read["r"], Recipe) == RECIPE


anything = st.characters(codec="utf-8", exclude_categories=["Cs"])


@given(st.text(anything))
def test_any_text_reads_back_as_itself(text: str) -> None:
    """Words, numbers, dates and `1e5` too: what would read as anything else is quoted."""
    written = to_yaml({"r": msgspec.structs.replace(RECIPE, source=text or "x")})
    read = parse_yaml(written.encode(), "r.yaml").value
    assert isinstance(read, dict)
    assert msgspec.convert(read["r"], Recipe).source == (text or "x")


def test_what_reads_as_text_is_what_the_reader_leaves_alone() -> None:
    words = ("on", "1e5", "0.10", "0x10", "1:30", "null", "~", "", "-3", "3.")
    assert [text for text in words if reads_as_text(text)] == ["on", "0x10", "1:30", "3."]
