"""Who is given what more `fit` was given: the estimator, the splitter, the scorer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sklearn import get_config
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import process_routing

if TYPE_CHECKING:
    from fer_fast.selection.selector import AntColonySelector


def routed(selector: AntColonySelector, params: Mapping[str, Any]) -> Bunch:
    """Return the metadata of `estimator.fit`, `splitter.split` and `scorer.score`.

    With metadata routing enabled that is what they requested. Without, `groups` goes to the
    splitter and all else to the estimator.

    Raises
    ------
    TypeError
        If there is no estimator to take it.
    """
    nothing = Bunch(estimator=Bunch(fit={}), splitter=Bunch(split={}), scorer=Bunch(score={}))
    if get_config()["enable_metadata_routing"]:
        return Bunch(**{**nothing, **process_routing(selector, "fit", **params)})
    groups = {name: params[name] for name in params if name == "groups"}
    others = {name: params[name] for name in params if name != "groups"}
    if others and selector.estimator is None:
        raise TypeError(f"without an estimator, fit takes no {', '.join(others)}")
    nothing.estimator.fit, nothing.splitter.split = others, groups
    return nothing
