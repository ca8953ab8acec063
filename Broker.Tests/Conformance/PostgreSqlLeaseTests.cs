using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlLeaseTests() : LeaseSuite(SqlDialect.PostgreSql);
