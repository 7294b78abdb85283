"""EDSL's rule expressions as conditions on earlier items. They are parsed, and never evaluated."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from harness.model.survey.conditions import ConditionFault, items_in
from harness.questionnaires.imports.draft import DraftItem, NotCarriedError

_IN_BRACES = re.compile(r"\{\{\s*(\w+)(?:\.answer)?\s*\}\}")
_ANSWER = re.compile(r"\b(\w+)\.answer\b")
_LONGEST = 2_000


def edsl_condition(expression: str, item: Callable[[str], DraftItem]) -> tuple[str, str]:
    """``expression`` with the names and values of items here, and the source of the last item that it is about.

    Raises `NotCarriedError` where it is more than comparisons of earlier answers.
    """
    plain = _ANSWER.sub(r"\1", _IN_BRACES.sub(r"\1", expression[:_LONGEST]))
    try:
        tree = ast.parse(plain.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotCarriedError("it cannot be read") from None
    rewritten = _RuleRewriter(item)
    condition = ast.unparse(rewritten.visit(tree))
    try:
        items_in(condition)
    except ConditionFault as fault:
        raise NotCarriedError(str(fault)) from None
    if not rewritten.sources:
        raise NotCarriedError("it is about no answer")
    return condition, rewritten.sources[-1]


class _RuleRewriter(ast.NodeTransformer):
    def __init__(self, item: Callable[[str], DraftItem]) -> None:
        self.item = item
        self.sources: list[str] = []

    def visit_Name(self, node: ast.Name) -> ast.AST:
        self.sources.append(node.id)
        return ast.Name(self.item(node.id).name, node.ctx)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        operands = [node.left, *node.comparators]
        named = next((one for one in operands if isinstance(one, ast.Name)), None)
        if named is not None:
            earlier = self.item(named.id)
            operands = [self._value(earlier, one) for one in operands]
        found = ast.Compare(operands[0], node.ops, operands[1:])
        return self.generic_visit(found)

    def _value(self, earlier: DraftItem, operand: ast.expr) -> ast.expr:
        """A value as the item here has it: options are text, and points of a scale are numbers."""
        if isinstance(operand, ast.List | ast.Tuple):
            return type(operand)([self._value(earlier, one) for one in operand.elts], operand.ctx)
        if not isinstance(operand, ast.Constant):
            return operand
        if str(operand.value) in earlier.answers:
            return ast.Constant(earlier.answers[str(operand.value)])
        if "options" in earlier.data and isinstance(operand.value, int | float):
            return ast.Constant(str(operand.value))
        return operand
