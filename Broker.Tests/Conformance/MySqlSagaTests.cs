using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlSagaTests() : SagaSuite(SqlDialect.MySql);
