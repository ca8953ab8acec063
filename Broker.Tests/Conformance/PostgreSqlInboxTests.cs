using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlInboxTests() : InboxSuite(SqlDialect.PostgreSql);
