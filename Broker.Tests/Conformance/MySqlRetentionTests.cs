using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlRetentionTests() : RetentionSuite(SqlDialect.MySql);
