using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqlServerRetentionTests() : RetentionSuite(SqlDialect.SqlServer);
