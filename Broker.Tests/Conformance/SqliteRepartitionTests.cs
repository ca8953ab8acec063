using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteRepartitionTests() : RepartitionSuite(SqlDialect.Sqlite);
