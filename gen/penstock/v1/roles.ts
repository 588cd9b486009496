// Written by `npm run generate` from src/rpc/policy.ts: change it there.

/** Each role by its number, and the RPCs that ask for it, or for one that may more, as `Service/Method`, apart by blanks. */
export const METHODS_OF_ROLES: readonly (readonly [role: number, methods: string])[] = [
  [1, "IntegrationService/GetIntegration IntegrationService/ListIntegrations IntegrationService/WatchIntegrations RevisionService/ListRevisions RevisionService/GetRevision EventService/ListEvents EventService/WatchEvents WatchService/Watch StatisticsService/QueryStatistics StatisticsService/ListFigures MessageLogService/ListMessages MessageLogService/GetMessage MessageLogService/WatchMessages DeadLetterService/ListDeadLetters DeadLetterService/GetRedrive DeadLetterService/ListRedrives ReplayService/GetReplay ReplayService/ListReplays ClusterService/ListNodes SystemService/GetSystem AuthService/DeleteSession AuthService/GetSelf AuthService/ChangePassword ServerReflection/ServerReflectionInfo ServerReflection/ServerReflectionInfo"],
  [2, "IntegrationService/EnableIntegration IntegrationService/DisableIntegration IntegrationService/RestartIntegration IntegrationService/CheckConnection IntegrationService/TryDelivery DeadLetterService/RedriveDeadLetters DeadLetterService/StartRedrive DeadLetterService/CancelRedrive ReplayService/StartReplay ReplayService/CancelReplay MessageService/PublishMessage"],
  [3, "IntegrationService/CreateIntegration IntegrationService/UpdateIntegration IntegrationService/DeleteIntegration DeadLetterService/PurgeDeadLetters"],
  [4, "TokenService/CreateToken TokenService/ListTokens TokenService/RevokeToken UserService/CreateUser UserService/GetUser UserService/ListUsers UserService/UpdateUser UserService/DeleteUser AuditService/ListAuditRecords"],
];
