"""The protocols of `models.eval` under the name by which training calls them."""

from models.eval.protocols import (
    Product,
    Query,
    Vectors,
    leave_one_view_out,
    product_vector,
    rank_figures,
    unit,
    words_to_product,
    zero_shot,
)

__all__ = [
    "Product",
    "Query",
    "Vectors",
    "leave_one_view_out",
    "product_vector",
    "rank_figures",
    "unit",
    "words_to_product",
    "zero_shot",
]
