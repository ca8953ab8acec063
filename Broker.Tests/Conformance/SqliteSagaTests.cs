using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteSagaTests() : SagaSuite(SqlDialect.Sqlite);
