using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqlServerSagaTests() : SagaSuite(SqlDialect.SqlServer);
