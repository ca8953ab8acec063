using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteReceiptTests() : ReceiptSuite(SqlDialect.Sqlite);
