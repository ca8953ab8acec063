using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlReceiptTests() : ReceiptSuite(SqlDialect.PostgreSql);
