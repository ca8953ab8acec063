using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteLeaseTests() : LeaseSuite(SqlDialect.Sqlite);
