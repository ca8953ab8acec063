using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlRepartitionTests() : RepartitionSuite(SqlDialect.MySql);
