#!/usr/bin/env python3
"""Places orders, each in one transaction with its event.

  place_orders.py sales.db --customer anna --count 3                        SQLite, by Python's own module
  place_orders.py "host=localhost dbname=sales" --customer anna --count 3   PostgreSQL, by psycopg or psycopg2

Needs the tables of ../tables, and those that 'broker schema' creates.
"""
import argparse
import json
import re
import sqlite3
import uuid
import zlib


def partition_of(key, partitions):
    return zlib.crc32(key.encode()) % partitions


class Sqlite:
    # IMMEDIATE: a transaction that reads first and writes later could find the file taken.
    begin = "BEGIN IMMEDIATE"

    def __init__(self, path):
        self.cursor = sqlite3.connect(path, timeout=30, isolation_level=None).cursor()

    def execute(self, sql, **values):
        return self.cursor.execute(sql, values)


class PostgreSql:
    begin = "BEGIN"

    def __init__(self, conninfo):
        try:
            import psycopg as driver
        except ImportError:
            import psycopg2 as driver
        connection = driver.connect(conninfo)
        connection.autocommit = True
        self.cursor = connection.cursor()

    def execute(self, sql, **values):
        self.cursor.execute(re.sub(r":(\w+)", r"%(\1)s", sql), values)
        return self.cursor


def place_order(database, partitions, customer, sku, quantity):
    database.execute(database.begin)
    try:
        # The customer is the key. The lock on its row lasts until the commit: the events of one key are written one after the other.
        if database.execute("UPDATE customers SET orders = orders + 1 WHERE id = :customer", customer=customer).rowcount != 1:
            raise LookupError(f"there is no customer {customer}")
        (number,) = database.execute("SELECT orders FROM customers WHERE id = :customer", customer=customer).fetchone()
        database.execute(
            "INSERT INTO orders (customer, number, sku, quantity) VALUES (:customer, :number, :sku, :quantity)",
            customer=customer, number=number, sku=sku, quantity=quantity)
        body = {"customer": customer, "number": number, "sku": sku, "quantity": quantity}
        database.execute(
            "INSERT INTO outbox_messages (message_id, partition, partition_key, key_sequence, type, headers, body)"
            " VALUES (:id, :partition, :key, :number, :type, :headers, :body)",
            id=str(uuid.uuid4()), partition=partition_of(customer, partitions), key=customer, number=number,
            type="sales.order-placed.v1", headers=json.dumps({"written-by": "python"}), body=json.dumps(body).encode())
        # The least that a row needs: no key, so no order is wanted.
        database.execute(
            "INSERT INTO outbox_messages (message_id, type, body) VALUES (:id, :type, :body)",
            id=str(uuid.uuid4()), type="sales.stock-changed.v1", body=json.dumps({"sku": sku}).encode())
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", help="a SQLite file, or what psycopg takes: host=… dbname=… or postgresql://…")
    parser.add_argument("--customer", required=True)
    parser.add_argument("--sku", default="tea")
    parser.add_argument("--quantity", type=int, default=1)
    parser.add_argument("--count", type=int, default=1, help="how many orders (default: 1)")
    parser.add_argument("--partitions", type=int, default=4, help="as in the outbox's options (default: 4)")
    arguments = parser.parse_args()
    is_postgresql = "=" in arguments.database or arguments.database.startswith(("postgres://", "postgresql://"))
    database = (PostgreSql if is_postgresql else Sqlite)(arguments.database)
    for _ in range(arguments.count):
        place_order(database, arguments.partitions, arguments.customer, arguments.sku, arguments.quantity)


if __name__ == "__main__":
    main()
