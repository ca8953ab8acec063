using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlLeaseTests() : LeaseSuite(SqlDialect.MySql);
