"""What the embedded store reads: single products, and all of them at a start."""

import sqlite3
from collections.abc import Iterator, Sequence

from services.indexer.domain import Garment, IndexedProduct, Product
from services.indexer.store import codec
from services.indexer.store.sqlite_schema import marks, transaction


def scan(db: sqlite3.Connection) -> Iterator[IndexedProduct]:
    """Every product, as the index in memory keeps it."""
    rows = db.execute(
        "SELECT product_id, version, name, attributes, own_garment, image_count, vectors"
        " FROM products"
    )
    for product_id, version, name, attributes, own, image_count, vectors in rows:
        pooled = codec.pooled_from_store(own, codec.unpack_vectors(vectors))
        found = codec.load_attributes(attributes)
        yield IndexedProduct(product_id, name, found, pooled, image_count, version)


def read_products(
    db: sqlite3.Connection, product_ids: Sequence[str], vectors: bool
) -> dict[str, Product]:
    """Those that exist, all of one moment."""
    chosen = f"product_id IN ({marks(len(product_ids))})"
    of_images: dict[str, dict[int, bytes]] = {}
    with transaction(db, "DEFERRED"):
        rows = db.execute(f"SELECT * FROM products WHERE {chosen}", product_ids).fetchall()
        if vectors:
            for product_id, position, data in db.execute(
                f"SELECT product_id, position, vectors FROM images WHERE {chosen}", product_ids
            ):
                of_images.setdefault(product_id, {})[position] = data
    products = {}
    for row in rows:
        (product_id, version, name, attributes, images, failures, digest, pipeline) = row[:8]
        (_, own, _, created, updated, pooled) = row[8:]
        packed = of_images.get(product_id, {})
        products[product_id] = Product(
            product_id=product_id,
            name=name,
            attributes=codec.load_attributes(attributes),
            images=tuple(
                codec.image_from_fields(
                    fields, codec.unpack_vectors(packed[position]) if vectors else None
                )
                for position, fields in enumerate(codec.load(images))
            ),
            failures=codec.failures_from_fields(codec.load(failures)),
            content_digest=digest,
            pipeline_version=pipeline,
            own_garment=None if own is None else Garment(own),
            vectors=codec.pooled_from_store(own, codec.unpack_vectors(pooled)) if vectors else {},
            create_time_us=created,
            update_time_us=updated,
            version=version,
        )
    return products
