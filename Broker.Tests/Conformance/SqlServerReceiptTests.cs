using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqlServerReceiptTests() : ReceiptSuite(SqlDialect.SqlServer);
