using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlReceiptTests() : ReceiptSuite(SqlDialect.MySql);
