using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlRepartitionTests() : RepartitionSuite(SqlDialect.PostgreSql);
